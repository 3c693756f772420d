variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "host" {
  description = "Name of the API."
  type        = string
}

variable "alternatives" {
  description = "More names that the edges answer to: the CDN's, which passes it on."
  type        = set(string)
}

variable "zone_id" {
  description = "Public Route 53 zone that holds the name."
  type        = string
}

variable "entry" {
  description = "global-accelerator or latency-records."
  type        = string
}

variable "certificate_region" {
  description = "Region that holds the certificate."
  type        = string
}

variable "edges" {
  description = "The public load balancer of each region."
  type        = map(object({ arn = string, dns_name = string, zone_id = string }))
}
