output "vpc_id" {
  description = "VPC."
  value       = aws_vpc.this.id
}

output "private_route_tables" {
  description = "Route tables of the private subnets, by zone."
  value       = { for z, t in aws_route_table.private : z => t.id }
}

output "data_subnets" {
  description = "Subnets of databases, by zone."
  value       = { for z, s in aws_subnet.data : z => s.id }

  depends_on = [aws_ec2_subnet_cidr_reservation.data]
}

output "subnet_blocks" {
  description = "Address block of every subnet."
  value       = concat([for s in aws_subnet.public : s.cidr_block], [for s in aws_subnet.data : s.cidr_block], [for s in aws_subnet.pods : s.cidr_block])
}

output "security_groups" {
  description = "Security group ids by name."
  value       = module.firewall.ids
}

output "ingress" {
  description = "Every ingress rule."
  value       = module.firewall.ingress
}

output "kms_key_arn" {
  description = "Key of data at rest."
  value       = aws_kms_key.data.arn
}

output "log_key_arn" {
  description = "Key of logs and alarms."
  value       = aws_kms_key.logs.arn
}

output "cluster" {
  description = "The Kubernetes cluster: name, ARN, API endpoint, zones with a node group, and the versions of control plane and nodes."
  value = {
    name     = aws_eks_cluster.this.name
    arn      = aws_eks_cluster.this.arn
    endpoint = aws_eks_cluster.this.endpoint
    public   = aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    zones    = keys(aws_eks_node_group.this)
    versions = concat([aws_eks_cluster.this.version], [for g in aws_eks_node_group.this : g.version])
  }
}

output "edge" {
  description = "The load balancer of the edges."
  value = {
    arn              = aws_lb.edge.arn
    arn_suffix       = aws_lb.edge.arn_suffix
    dns_name         = aws_lb.edge.dns_name
    zone_id          = aws_lb.edge.zone_id
    target_group_arn = aws_lb_target_group.edge.arn
    target_suffix    = aws_lb_target_group.edge.arn_suffix
    internal         = aws_lb.edge.internal
  }

  depends_on = [aws_lb_listener.edge]
}

output "cache" {
  description = "The cache: address, the names of its members, and how it is encrypted."
  value = {
    address    = "${aws_elasticache_replication_group.this.primary_endpoint_address}:6379"
    members    = [for i in range(1, 2 + var.size.cache.replicas) : format("%s-%03d", var.name, i)]
    at_rest    = aws_elasticache_replication_group.this.at_rest_encryption_enabled
    in_transit = aws_elasticache_replication_group.this.transit_encryption_enabled
    mode       = aws_elasticache_replication_group.this.transit_encryption_mode
    multi_zone = aws_elasticache_replication_group.this.multi_az_enabled
  }
}

output "identities" {
  description = "Service accounts that have an identity in AWS."
  value       = [for i in values(local.identities) : "${i.namespace}/${i.account}"]
}

output "zone_ids" {
  description = "For each zone, the id that is the same in every account."
  value       = { for letter, z in data.aws_availability_zone.this : letter => z.zone_id }
}
