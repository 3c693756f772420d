output "instances" {
  description = "EC2 instances by region and zone."
  value       = { for region in keys(var.regions) : region => { for zone, s in local.servers : zone => aws_instance.server[zone].id if s.region == region } }
}

output "addresses" {
  description = "Servers by zone: region and address."
  value       = local.servers
}

output "names" {
  description = "The name of each region's servers."
  value       = local.names
}

output "certificates" {
  description = "What the certificate of each region's servers says."
  value       = local.certificates
}

output "configuration" {
  description = "Configuration of each server but for its secrets, by zone."
  value       = local.configuration
}
