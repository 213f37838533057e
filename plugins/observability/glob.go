package observability

import (
	"path"
	"path/filepath"
	"strings"
)

// checkGlob refuses a pattern that can never be matched.
func checkGlob(pattern string) error {
	for part := range strings.SplitSeq(pattern, "/") {
		if _, err := path.Match(part, ""); err != nil {
			return err
		}
	}
	return nil
}

// matches says whether the pattern fits name, a cleaned absolute path below root. A pattern without "/" is one of the
// last part, a relative one is below root; "**" stands for any number of folders, none too.
func matches(pattern, root, name string) bool {
	if !strings.Contains(pattern, "/") && pattern != "**" {
		ok, _ := path.Match(pattern, path.Base(name))
		return ok
	}
	if !path.IsAbs(pattern) {
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return false
		}
		name = rel
	}
	return matchParts(strings.Split(path.Clean(pattern), "/"), strings.Split(name, "/"))
}

func matchParts(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for len(pattern) > 1 && pattern[1] == "**" {
				pattern = pattern[1:]
			}
			for i := range len(name) + 1 {
				if matchParts(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, _ := path.Match(pattern[0], name[0]); !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}

// fixedPart is the folder that everything an absolute pattern fits lies in.
func fixedPart(pattern string) string {
	dir, parts := "/", strings.Split(path.Clean(pattern), "/")
	for _, p := range parts[:len(parts)-1] {
		if strings.ContainsAny(p, `*?[\`) {
			break
		}
		dir = path.Join(dir, p)
	}
	return dir
}
