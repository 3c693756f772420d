output "addresses" {
  description = "Nodes by zone: region and address."
  value       = local.nodes
}

output "instances" {
  description = "EC2 instances by region and zone."
  value       = { for region in keys(var.regions) : region => { for zone, n in local.nodes : zone => aws_instance.node[zone].id if n.region == region } }
}

output "balancers" {
  description = "By region: how CloudWatch names the SQL load balancer and its target group."
  value       = { for region in keys(var.regions) : region => { balancer = aws_lb.sql[region].arn_suffix, target = aws_lb_target_group.sql[region].arn_suffix } }
}

output "sql" {
  description = "host:port of SQL, by region."
  value       = { for region, name in local.sql_names : region => "${name}:26257" }
}

output "buckets" {
  description = "Backup buckets by region."
  value       = { for region, b in aws_s3_bucket.backup : region => b.bucket }
}

output "volumes" {
  description = "By zone: whether the store is encrypted, with which key, and its type."
  value       = { for zone, v in aws_ebs_volume.store : zone => { encrypted = v.encrypted, key = v.kms_key_id, type = v.type } }
}

output "user_data" {
  description = "What each node runs when it starts first, by zone."
  value       = local.user_data
}

output "authority" {
  description = "Certificate of the cluster's authority (PEM)."
  value       = module.authority.certificate
}
