variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "region" {
  description = "Region of the security groups."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the security groups."
  type        = string
}

variable "network" {
  description = "Address blocks of the region."
  type        = object({ cidr = string, data = string, pods = string })
}

variable "networks" {
  description = "Address blocks of every region, this one included."
  type        = map(object({ cidr = string, data = string, pods = string }))
}
