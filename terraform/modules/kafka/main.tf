# The region's event bus on Amazon MSK: a broker in each zone, three copies of each record.
resource "aws_msk_configuration" "this" {
  name           = var.name
  region         = var.region
  kafka_versions = ["3.9.x"]

  server_properties = <<-EOT
    auto.create.topics.enable = true
    default.replication.factor = 3
    min.insync.replicas = 2
    num.partitions = 12
    unclean.leader.election.enable = false
    log.retention.hours = 168
  EOT
}

resource "aws_cloudwatch_log_group" "brokers" {
  name              = "/meridian/${var.name}/kafka"
  region            = var.region
  retention_in_days = var.size.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  region                 = var.region
  kafka_version          = "3.9.x"
  number_of_broker_nodes = length(var.subnets)
  enhanced_monitoring    = "PER_BROKER"

  broker_node_group_info {
    instance_type   = var.size.kafka.type
    client_subnets  = values(var.subnets)
    security_groups = [var.security_group]

    storage_info {
      ebs_storage_info {
        volume_size = var.size.kafka.gib
      }
    }
  }

  client_authentication {
    unauthenticated = false
    sasl {
      scram = true
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.kms_key_arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.brokers.name
      }
    }
  }
}

resource "random_password" "meridian" {
  length  = 32
  special = false
}

# MSK takes only secrets of this prefix, encrypted with a key of ours.
resource "aws_secretsmanager_secret" "meridian" {
  name                    = "AmazonMSK_meridian"
  region                  = var.region
  description             = "Kafka login of the workers"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.size.secret_days
}

resource "aws_secretsmanager_secret_version" "meridian" {
  region        = var.region
  secret_id     = aws_secretsmanager_secret.meridian.id
  secret_string = jsonencode({ username = "meridian", password = random_password.meridian.result })
}

resource "aws_secretsmanager_secret_policy" "meridian" {
  region     = var.region
  secret_arn = aws_secretsmanager_secret.meridian.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Brokers"
      Effect    = "Allow"
      Action    = "secretsmanager:GetSecretValue"
      Principal = { Service = "kafka.amazonaws.com" }
      Resource  = aws_secretsmanager_secret.meridian.arn
    }]
  })
}

resource "aws_msk_scram_secret_association" "this" {
  region          = var.region
  cluster_arn     = aws_msk_cluster.this.arn
  secret_arn_list = [aws_secretsmanager_secret.meridian.arn]

  depends_on = [aws_secretsmanager_secret_version.meridian, aws_secretsmanager_secret_policy.meridian]
}
