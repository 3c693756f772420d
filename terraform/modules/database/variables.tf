variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "account_id" {
  description = "AWS account."
  type        = string
}

variable "partition" {
  description = "AWS partition."
  type        = string
}

variable "size" {
  description = "The part of a size that concerns this module."
  type = object({
    database    = object({ type = string, gib = number, iops = number, mibps = number })
    backup_days = number
    secret_days = number
    protect     = bool
  })
}

variable "license" {
  description = "License key. Without one, a cluster refuses all but five transactions at once after seven days (error XXC02)."
  type        = string
  sensitive   = true
}

variable "organization" {
  description = "Organization that the license was issued to."
  type        = string
}

variable "release" {
  description = "CockroachDB release: version and SHA-256 of the archive for Linux on arm64."
  type        = object({ version = string, sha256 = string })
}

variable "primary" {
  description = "Region whose first node initializes the cluster."
  type        = string
}

variable "zone" {
  description = "Private zone for the names of the load balancers."
  type        = object({ id = string, name = string })
}

variable "regions" {
  description = "What the nodes of each region stand on."
  type = map(object({
    code            = string
    zones           = list(string)
    data_block      = string
    vpc_id          = string
    subnets         = map(string)
    kms_key_arn     = string
    security_groups = map(string)
  }))
}
