"""The language: what does this text mean? Pure: text and data files in, Programs or findings out (`dsl.compiler`)."""
