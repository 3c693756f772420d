resource "random_password" "cache" {
  length  = 64
  special = false
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  region     = var.region
  subnet_ids = [for s in aws_subnet.data : s.id]
}

resource "aws_elasticache_parameter_group" "this" {
  name   = var.name
  region = var.region
  family = "valkey8"

  parameter {
    name  = "maxmemory-policy"
    value = "allkeys-lru"
  }
}

# A cache that may vanish (docs/adr/0013): replicas spare the database a cold start, they keep nothing that matters.
resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  region                     = var.region
  description                = "${var.name}: cache of ${var.region}"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = var.size.cache.type
  num_cache_clusters         = 1 + var.size.cache.replicas
  automatic_failover_enabled = true
  multi_az_enabled           = true
  port                       = 6379
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [module.firewall.ids["cache"]]
  at_rest_encryption_enabled = "true"
  kms_key_id                 = aws_kms_key.data.arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = random_password.cache.result
  auth_token_update_strategy = "ROTATE"
  auto_minor_version_upgrade = "true"
  apply_immediately          = !var.size.protect
  snapshot_retention_limit   = var.size.snapshot_days

  depends_on = [aws_ec2_subnet_cidr_reservation.data]
}

resource "aws_secretsmanager_secret" "cache" {
  name                    = "meridian/redis"
  region                  = var.region
  description             = "Address and password of the region's cache"
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "cache" {
  region    = var.region
  secret_id = aws_secretsmanager_secret.cache.id
  secret_string = jsonencode({
    address  = "${aws_elasticache_replication_group.this.primary_endpoint_address}:6379"
    password = random_password.cache.result
  })
}
