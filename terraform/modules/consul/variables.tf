variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "partition" {
  description = "AWS partition."
  type        = string
}

variable "size" {
  description = "The part of a size that concerns this module."
  type = object({
    consul      = object({ type = string })
    secret_days = number
  })
}

variable "release" {
  description = "Consul release: version and SHA-256 of the archive for Linux on arm64."
  type        = object({ version = string, sha256 = string })
}

variable "primary" {
  description = "Region whose data center decides on access rules; the others copy them."
  type        = string
}

variable "zone" {
  description = "Private zone for the names of the servers."
  type        = object({ id = string, name = string })
}

variable "regions" {
  description = "What the servers of each region stand on."
  type = map(object({
    code            = string
    zones           = list(string)
    data_block      = string
    subnets         = map(string)
    kms_key_arn     = string
    security_groups = map(string)
  }))
}
