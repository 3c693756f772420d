variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "host" {
  description = "Name of the CDN."
  type        = string
}

variable "origin" {
  description = "Name of the API."
  type        = string
}

variable "zone_id" {
  description = "Public Route 53 zone that holds the name."
  type        = string
}
