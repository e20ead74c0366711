"""The `dd3g` command: one short module a sub-command, loaded when it is chosen."""
