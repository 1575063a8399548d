"""Optimizers: a step downhill, in place, for every parameter of a model.

The arithmetic of a step is short and the same for each element; the arrays are as long as
the model is large, and there are several of them. So a step costs what its memory traffic
costs, and how often each array is walked over decides everything: an expression per line,
as the method is written in a paper, walks five to ten times.

* `sgd`, `momentum`, `adam` and `adamw`: a file each, a ladder each.
* `values`: gradients to step along, and the errors that roundings allow.

Formulas are PyTorch's, with its defaults for what is not a parameter here. All arrays of a
call have one shape of one dimension and one element type, float32 or float64, and none
overlaps another; hyperparameters are Python numbers, combined in float64 and rounded to the
element type before the loop, as PyTorch does. `parameters`, and the state that a method
keeps, are read and overwritten: these are the `mutates` of an operation.
"""
