# The rules that tflint brings along. The rule set for AWS is a program of its own, which is not built here: README.md
# says what that leaves unseen.
config {
  call_module_type = "local"
}

plugin "terraform" {
  enabled = true
  preset  = "all"
}
