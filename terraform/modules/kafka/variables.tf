variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "region" {
  description = "Region of the cluster."
  type        = string
}

variable "subnets" {
  description = "Subnets of the brokers, by zone: one broker in each."
  type        = map(string)
}

variable "security_group" {
  description = "Security group of the brokers."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of data at rest."
  type        = string
}

variable "log_key_arn" {
  description = "Key of logs."
  type        = string
}

variable "size" {
  description = "The part of a size that concerns this module."
  type = object({
    kafka       = object({ type = string, gib = number })
    log_days    = number
    secret_days = number
  })
}
