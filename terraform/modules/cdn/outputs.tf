output "host" {
  description = "Name of the CDN."
  value       = var.host
}

output "distribution" {
  description = "Distribution id, to invalidate by."
  value       = aws_cloudfront_distribution.this.id
}
