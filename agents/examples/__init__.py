"""Short programs that show how others' libraries are plugged in; a test runs each."""
