output "zone_id" {
  description = "Id of the private zone."
  value       = aws_route53_zone.private.zone_id
}

output "peerings" {
  description = "Peered pairs of regions."
  value       = keys(aws_vpc_peering_connection.this)
}

output "routes" {
  description = "Routes between regions: from which region to which network."
  value       = [for r in values(aws_route.this) : "${r.region} ${r.destination_cidr_block}"]
}
