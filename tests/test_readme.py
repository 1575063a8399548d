"""The README's commands are what the continuous integration runs."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def shell_commands():
    blocks = (ROOT / "README.md").read_text("utf-8").split("```sh\n")[1:]
    return [block.split("\n```")[0] for block in blocks]


def test_readme_has_two_commands_of_one_line_each():
    commands = shell_commands()
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)


def test_both_commands_use_the_pinned_libraries():
    assert all("-c conf/constraints.txt" in command for command in shell_commands())


def test_continuous_integration_ends_with_exactly_the_test_command():
    script = (ROOT / ".ci" / "run").read_text("utf-8").rstrip().splitlines()
    assert script[-1] == shell_commands()[1]


def test_top_level_holds_nothing_beside_the_agreed_rooms():
    agreed = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"}
    agreed |= {"accel", "book", "build", "conf", "gallery", "tests"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert {name for name in found if not name.endswith(".egg-info")} <= agreed
