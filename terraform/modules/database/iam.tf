# A node reads its region's certificates, writes backups, and is reached by Session Manager.
resource "aws_iam_role" "node" {
  for_each = var.regions

  name = "${var.name}-${each.value.code}-database"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_instance_profile" "node" {
  for_each = var.regions

  name = "${var.name}-${each.value.code}-database"
  role = aws_iam_role.node[each.key].name
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  for_each = var.regions

  role       = aws_iam_role.node[each.key].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_role_policy" "node" {
  for_each = var.regions

  name = "node"
  role = aws_iam_role.node[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "Certificates"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [for zone, n in local.nodes : aws_secretsmanager_secret.node[zone].arn if n.region == each.key]
      },
      {
        Sid      = "BackupObjects" # a backup is written by nodes of every region, read to restore, and deleted by no node
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = [for b in aws_s3_bucket.backup : "${b.arn}/*"]
      },
      {
        Sid      = "BackupBuckets"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
        Resource = [for b in aws_s3_bucket.backup : b.arn]
      },
      {
        Sid      = "Keys"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [for r in var.regions : r.kms_key_arn]
      },
      ], each.key != var.primary ? [] : [
      {
        Sid      = "Bootstrap"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [aws_secretsmanager_secret.bootstrap.arn]
      },
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter", "ssm:PutParameter"]
        Resource = [aws_ssm_parameter.state.arn]
      },
    ])
  })
}
