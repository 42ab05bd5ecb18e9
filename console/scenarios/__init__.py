"""Bad days by name, one file each: a module here with a `SCENARIO` is one."""
