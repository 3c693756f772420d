# A bucket in each region. The backup is by locality: rows are written in the region that they are kept in, so that a
# backup takes no shopper's rows out of their region. The primary's bucket also holds the backup's own description.
locals {
  buckets = { for region, r in var.regions : region => "${var.name}-backup-${r.code}-${var.account_id}" }

  backup_destinations = concat(
    ["s3://${local.buckets[var.primary]}/cluster?AUTH=implicit&AWS_REGION=${var.primary}&COCKROACH_LOCALITY=default"],
    [for region in sort(keys(var.regions)) :
      "s3://${local.buckets[region]}/cluster?AUTH=implicit&AWS_REGION=${region}&COCKROACH_LOCALITY=${urlencode("region=${region}")}"
    if region != var.primary],
  )
}

resource "aws_s3_bucket" "backup" {
  for_each = var.regions

  bucket        = local.buckets[each.key]
  region        = each.key
  force_destroy = !var.size.protect
}

resource "aws_s3_bucket_public_access_block" "backup" {
  for_each = var.regions

  region                  = each.key
  bucket                  = aws_s3_bucket.backup[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "backup" {
  for_each = var.regions

  region = each.key
  bucket = aws_s3_bucket.backup[each.key].id

  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = each.value.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "backup" {
  for_each = var.regions

  region = each.key
  bucket = aws_s3_bucket.backup[each.key].id

  versioning_configuration {
    status = "Enabled" # what is overwritten or deleted can be had back for a while
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "backup" {
  for_each = var.regions

  region = each.key
  bucket = aws_s3_bucket.backup[each.key].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {
      prefix = "cluster/"
    }

    expiration {
      days = var.size.backup_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  depends_on = [aws_s3_bucket_versioning.backup]
}

resource "aws_s3_bucket_policy" "backup" {
  for_each = var.regions

  region = each.key
  bucket = aws_s3_bucket.backup[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EncryptedTransportOnly"
      Effect    = "Deny"
      Action    = "s3:*"
      Principal = "*"
      Resource  = [aws_s3_bucket.backup[each.key].arn, "${aws_s3_bucket.backup[each.key].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.backup]
}
