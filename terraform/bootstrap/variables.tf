variable "region" {
  description = "Region of the bucket."
  type        = string
  default     = "us-east-1"
}

variable "operator_role_arns" {
  description = "IAM roles that may read and write the state, beside the account's administrators of keys."
  type        = set(string)

  validation {
    condition     = length(var.operator_role_arns) > 0 && alltrue([for a in var.operator_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", a))])
    error_message = "operator_role_arns must name a role at least, by ARN."
  }
}
