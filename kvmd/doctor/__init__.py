"""The doctor: what is wrong with this machine as a KVM, why that matters, and how to mend it."""
