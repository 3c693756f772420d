output "certificate" {
  description = "Certificate of the authority (PEM)."
  value       = tls_self_signed_cert.authority.cert_pem
}

output "leaves" {
  description = "Certificate and key of each leaf (PEM)."
  value = { for name in keys(var.leaves) : name => {
    certificate = tls_locally_signed_cert.leaf[name].cert_pem
    key         = tls_private_key.leaf[name].private_key_pem_pkcs8
  } }
  sensitive = true
}
