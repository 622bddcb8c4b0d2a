"""New packages for authors of drivers, boards and plug-ins, made of the trees in templates/."""
