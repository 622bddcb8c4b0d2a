"""The number of the contract between kvmd and the plug-ins."""

CONTRACT = 1
"""Goes up with each change that a plug-in can notice, an addition too; what was made for a lower number still works."""
