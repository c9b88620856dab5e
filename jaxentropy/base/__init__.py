"""What every package stands on: errors, files, arrays, round sizes, work in flight, Markdown."""
