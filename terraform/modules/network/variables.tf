variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "zone" {
  description = "Name of the private zone."
  type        = string
}

variable "regions" {
  description = "By region: its number, its network, and the route tables of its private subnets by zone."
  type = map(object({
    index        = number
    cidr         = string
    vpc_id       = string
    route_tables = map(string)
  }))
}
