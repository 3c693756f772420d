resource "aws_iam_role" "server" {
  for_each = var.regions

  name = "${var.name}-${each.value.code}-consul"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_instance_profile" "server" {
  for_each = var.regions

  name = "${var.name}-${each.value.code}-consul"
  role = aws_iam_role.server[each.key].name
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  for_each = var.regions

  role       = aws_iam_role.server[each.key].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_role_policy" "server" {
  for_each = var.regions

  name = "server"
  role = aws_iam_role.server[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Join" # servers of every region are found by their tag
        Effect   = "Allow"
        Action   = ["ec2:DescribeInstances"]
        Resource = ["*"] # it takes no resource
      },
      {
        Sid    = "Secrets"
        Effect = "Allow"
        Action = ["secretsmanager:GetSecretValue"]
        Resource = concat(
          [aws_secretsmanager_secret.server[each.key].arn],
          each.key == var.primary ? [aws_secretsmanager_secret.bootstrap.arn] : [],
        )
      },
      {
        Sid      = "Key"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [each.value.kms_key_arn]
      },
    ]
  })
}
