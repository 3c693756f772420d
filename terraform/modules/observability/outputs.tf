output "topic" {
  description = "Topic of alarms."
  value       = aws_sns_topic.alarms.arn
}

output "alarms" {
  description = "Names of the alarms."
  value       = keys(local.alarms)
}

output "dashboard" {
  description = "URL of the dashboard."
  value       = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "prometheus" {
  description = "Endpoint of the managed Prometheus; null: there is none."
  value       = one(aws_prometheus_workspace.this[*].prometheus_endpoint)
}
