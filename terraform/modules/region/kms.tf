locals {
  # The account's IAM policies decide on a key's use; the key's own policy adds the services.
  account_statement = {
    Sid       = "Account"
    Effect    = "Allow"
    Action    = "kms:*"
    Resource  = "*" # in a key's policy: this key
    Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
  }
}

# Volumes, secrets, cache, Kafka, Kubernetes secrets, backups.
resource "aws_kms_key" "data" {
  region                  = var.region
  description             = "${var.name}: data at rest"
  enable_key_rotation     = true
  deletion_window_in_days = var.size.protect ? 30 : 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [local.account_statement, {
      # As the key that AWS manages for EBS: whoever of this account may use a volume. It spares naming the role of EC2
      # Auto Scaling, which may not exist yet.
      Sid       = "Volumes"
      Effect    = "Allow"
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"]
      Resource  = "*"
      Principal = { AWS = "*" }
      Condition = { StringEquals = {
        "kms:CallerAccount" = var.account_id
        "kms:ViaService"    = "ec2.${var.region}.amazonaws.com"
      } }
    }]
  })

  tags = { Name = "${var.name}-data" }
}

resource "aws_kms_alias" "data" {
  region        = var.region
  name          = "alias/${var.name}-data"
  target_key_id = aws_kms_key.data.key_id
}

# Logs and alarms: services write with it on their own account.
resource "aws_kms_key" "logs" {
  region                  = var.region
  description             = "${var.name}: logs and alarms"
  enable_key_rotation     = true
  deletion_window_in_days = var.size.protect ? 30 : 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [local.account_statement, {
      Sid       = "Logs"
      Effect    = "Allow"
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = "*"
      Principal = { Service = "logs.${var.region}.amazonaws.com" }
      Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:*" } }
      }, {
      Sid       = "Alarms"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
      Principal = { Service = ["cloudwatch.amazonaws.com", "aps.amazonaws.com"] }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })

  tags = { Name = "${var.name}-logs" }
}

resource "aws_kms_alias" "logs" {
  region        = var.region
  name          = "alias/${var.name}-logs"
  target_key_id = aws_kms_key.logs.key_id
}
