variable "name" {
  description = "Common name of the authority."
  type        = string
}

variable "leaves" {
  description = "Certificates to issue: common name, DNS names and addresses, and whether it may serve."
  type = map(object({
    common_name = string
    dns_names   = optional(list(string), [])
    addresses   = optional(list(string), [])
    server      = optional(bool, false)
  }))
}
