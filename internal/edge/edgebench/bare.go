package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// serveBare is the word, before an address, with which this program is the server that serve describes.
const serveBare = "serve"

// serve has Go's own server answer what the upstream answers, by itself, with the certificate of the folder: what it adds
// to direct is the least that any proxy on net/http adds.
func serve(addr string) error {
	answer := []byte(body())
	server := &http.Server{Addr: addr, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer)
	})}
	if err := server.ListenAndServeTLS("cert.pem", "key.pem"); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
