from setuptools import find_packages, setup

setup(name="condinst", version="0.1.0", packages=find_packages(include=["condinst", "condinst.*"]))
