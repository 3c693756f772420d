output "ids" {
  description = "Security group ids by name."
  value       = { for name, g in aws_security_group.this : name => g.id }
}

output "ingress" {
  description = "Every ingress rule: protocol, first and last port, and the network that it is open to; null: a group."
  value = [for r in aws_vpc_security_group_ingress_rule.this : {
    protocol = r.ip_protocol
    first    = r.from_port
    last     = r.to_port
    network  = try(coalesce(r.cidr_ipv4, r.cidr_ipv6), null)
  }]
}
