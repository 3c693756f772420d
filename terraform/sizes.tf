# What a size means, as data. README.md has the monthly cost of each line.
locals {
  sizes = {
    # For trying it out: the same parts and the same topology, small, and gone with one `terraform destroy`.
    dev = {
      node            = { type = "m7g.xlarge", min = 1, max = 4 } # in each zone
      database        = { type = "m7g.large", gib = 100, iops = 3000, mibps = 125 }
      consul          = { type = "t4g.small" }
      cache           = { type = "cache.t4g.small", replicas = 1 }
      kafka           = { type = "kafka.t3.small", gib = 100 }
      nat_per_zone    = false # one NAT gateway a region: a lost zone can cut off the other two
      endpoints       = []    # AWS is reached through the NAT gateway
      backup_days     = 7
      log_days        = 14
      secret_days     = 0 # a deleted secret is gone, so that its name is free for the next apply
      protect         = false
      snapshot_days   = 0
      control_plane   = ["api", "audit", "authenticator"]
      detailed_alarms = false
    }
    # Two regions carry the load of three: docs/explanation/capacity-arithmetic.md.
    prod = {
      node            = { type = "m7g.2xlarge", min = 2, max = 12 }
      database        = { type = "m7g.2xlarge", gib = 500, iops = 6000, mibps = 250 }
      consul          = { type = "t4g.medium" }
      cache           = { type = "cache.m7g.large", replicas = 2 }
      kafka           = { type = "kafka.m7g.large", gib = 500 }
      nat_per_zone    = true
      endpoints       = ["ec2", "ec2messages", "ecr.api", "ecr.dkr", "elasticloadbalancing", "kms", "logs", "secretsmanager", "ssm", "ssmmessages", "sts"]
      backup_days     = 35
      log_days        = 90
      secret_days     = 30
      protect         = true # deletion protection, final snapshots, no emptying of buckets: see README.md before a destroy
      snapshot_days   = 7
      control_plane   = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
      detailed_alarms = true
    }
  }
  size = local.sizes[var.size]
}
