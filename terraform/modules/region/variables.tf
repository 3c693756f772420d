variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "region" {
  description = "The region, as the catalog and AWS name it."
  type        = string
}

variable "code" {
  description = "The region's short code; stands in names that AWS wants unique over all regions."
  type        = string
}

variable "zones" {
  description = "Availability zones."
  type        = list(string)
}

variable "network" {
  description = "Address blocks of the region."
  type        = object({ cidr = string, public = string, data = string, pods = string })
}

variable "networks" {
  description = "Address blocks of every region."
  type        = map(object({ cidr = string, public = string, data = string, pods = string }))
}

variable "size" {
  description = "The part of a size that concerns this module."
  type = object({
    node          = object({ type = string, min = number, max = number })
    cache         = object({ type = string, replicas = number })
    nat_per_zone  = bool
    endpoints     = list(string)
    log_days      = number
    secret_days   = number
    protect       = bool
    snapshot_days = number
    control_plane = list(string)
  })
}

variable "account_id" {
  description = "AWS account."
  type        = string
}

variable "partition" {
  description = "AWS partition."
  type        = string
}

variable "kubernetes_version" {
  description = "Kubernetes version of the cluster."
  type        = string
}

variable "admin_role_arns" {
  description = "IAM roles that administer the cluster."
  type        = set(string)
}

variable "admin_cidrs" {
  description = "Networks from which the Kubernetes API may be reached over the Internet; empty: none."
  type        = set(string)
}

variable "internal" {
  description = "Whether the edges' load balancer is reached from inside of AWS alone, as by Global Accelerator."
  type        = bool
}

variable "prometheus" {
  description = "Whether there is a managed Prometheus in each region that the cluster's own writes to."
  type        = bool
}
