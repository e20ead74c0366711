"""The version, where every room may read it without importing the package's front."""

VERSION = "0.1.0"
