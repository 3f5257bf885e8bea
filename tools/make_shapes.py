"""Generate the dataset "shapes": images of colored shapes, with annotations; see --help."""

from condinst.cli import errors, make_shapes

if __name__ == "__main__":
    errors.run(make_shapes.main)
