output "backend" {
  description = "What belongs into backend.hcl."
  value = {
    bucket     = aws_s3_bucket.state.bucket
    region     = var.region
    kms_key_id = aws_kms_alias.state.name
  }
}
