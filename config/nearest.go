package config

import "strings"

// nearest is the candidate that a typing person most likely meant, or "" when none is near.
func nearest(name string, candidates []string) string {
	fold := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	best, bestDistance := "", 0
	for _, c := range candidates {
		a, b := fold(name), fold(c)
		d := distance(a, b)
		if limit := max(len(a), len(b)) / 3; d > max(limit, 1) || d >= len(b) {
			continue
		}
		if best == "" || d < bestDistance || d == bestDistance && c < best {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance counts insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string
// alignment). Long names are cut: nobody mistypes 64 characters of a key.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}

// didYouMean is a hint with the nearest candidate, or else all of them when they are few.
func didYouMean(name string, candidates []string) string {
	if n := nearest(name, candidates); n != "" {
		return `did you mean "` + n + `"?`
	}
	if len(candidates) > 0 && len(candidates) <= 20 {
		return "known: " + strings.Join(candidates, ", ")
	}
	return ""
}
