output "brokers" {
  description = "host:port of each broker, by comma: SASL/SCRAM over TLS."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
}

output "secret" {
  description = "Secret with the login."
  value       = aws_secretsmanager_secret.meridian.name
}

output "encryption" {
  description = "How brokers encrypt: key at rest, clients, each other."
  value = {
    key       = aws_msk_cluster.this.encryption_info[0].encryption_at_rest_kms_key_arn
    clients   = aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].client_broker
    brokers   = aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].in_cluster
    number_of = aws_msk_cluster.this.number_of_broker_nodes
  }
}
