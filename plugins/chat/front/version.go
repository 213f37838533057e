package front

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
)

//go:embed front.go main.go
var source embed.FS

// Version names this front by its source: a front of another plugin version
// that works the same is left in place.
func Version() string {
	sum := sha256.New()
	for _, name := range []string{"front.go", "main.go"} {
		text, err := source.ReadFile(name)
		if err != nil { // they are embedded
			panic(err)
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}
