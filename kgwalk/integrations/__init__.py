"""What plugs kgwalk into others' libraries; a module each, imported by who has the library."""
