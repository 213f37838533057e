package codec

import (
	"crypto/subtle"
	"net/http"
	"strings"

	"go.temporal.io/sdk/converter"
)

// Handler lets the Web UI and the temporal command decode: POST <prefix>/decode
// with "Authorization: Bearer <token>". origin is the Web UI's, which its pages
// call from. There is no encoding: nobody needs to forge payloads.
func Handler(c *Codec, token, origin string) http.Handler {
	payloads := converter.NewPayloadCodecHTTPHandler(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin != "" && r.Header.Get("Origin") == origin {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
			w.Header().Set("Access-Control-Allow-Headers", "Authorization,Content-Type,X-Namespace")
			w.Header().Set("Access-Control-Allow-Credentials", "true")
			w.Header().Set("Vary", "Origin")
		}
		switch {
		case r.Method == http.MethodOptions:
			w.WriteHeader(http.StatusNoContent)
		case !strings.HasSuffix(r.URL.Path, "/decode"):
			http.Error(w, "only decoding is served here", http.StatusNotFound)
		case !authorized(r, token):
			w.Header().Set("WWW-Authenticate", `Bearer realm="orch codec"`)
			http.Error(w, "send the token of temporal.encryption.endpoint_token: Authorization: Bearer TOKEN", http.StatusUnauthorized)
		default:
			payloads.ServeHTTP(w, r)
		}
	})
}

func authorized(r *http.Request, token string) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1
}
