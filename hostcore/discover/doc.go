// Package discover finds plugin binaries in the plugin folder and tells when the
// folder has changed.
//
// Candidates are the executables directly in the folder and in its direct
// subfolders (<dir>/<group>/<file>); nothing deeper is looked at. Which plugin a
// file is, is never judged by its name: the manifest says that later.
//
// Scan looks once and reports every file, also those that may not run, with the
// reason. Watch tells that a Scan is due: it waits until the folder has been
// quiet and no file in it is still growing, so that a rename into place and a
// slow copy in place both give one tick after their end. A tick carries no
// details and none is lost; ticks that nobody took are merged into one.
package discover
