output "host" {
  description = "Name of the API."
  value       = var.host
}

output "addresses" {
  description = "Anycast addresses of the API; empty with latency records."
  value       = local.accelerated ? flatten([for s in aws_globalaccelerator_accelerator.this[0].ip_sets : s.ip_addresses]) : []
}

output "entries" {
  description = "Regions that callers can enter at."
  value       = local.accelerated ? keys(aws_globalaccelerator_endpoint_group.region) : keys(aws_route53_record.latency)
}

output "certificate_arn" {
  description = "Certificate of the API, once it is valid."
  value       = aws_acm_certificate_validation.api.certificate_arn
}
