"""Layout: the same numbers in another order, and what the order of the walk costs.

Seven operations, one idea. A transpose writes element (i, j) to place (j, i); images with
channels first become images with channels last by a transpose of each image, seen as a
matrix of channels by pixels; blocks of channels are transposes of so many rows; records of
fields are a matrix with few columns. No operation computes anything: all that counts is in
which order memory is read and written, and in pieces of which size.

* `accel.kernels.layout.moves`: one matrix into its transpose, by plain loops, by blocks,
  through a buffer, in registers, on all cores. Everything else calls these.
* `accel.kernels.layout.transpose`: `transpose`.
* `accel.kernels.layout.channels`: `nchw_to_nhwc` and `nhwc_to_nchw`.
* `accel.kernels.layout.blocks`: `nchw_to_nchwc` and `nchwc_to_nchw`.
* `accel.kernels.layout.records`: `aos_to_soa` and `soa_to_aos`.

Arrays are contiguous and `out` overlaps no input. Values are moved bit by bit: NaN keeps
its payload, -0 its sign. FLOPs are 0, so what is compared is bytes per second.
"""
