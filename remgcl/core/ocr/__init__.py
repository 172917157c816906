"""Text regions of images, recognised once and kept.

Inside: the recognition, the cache, its writer, and where the images come from. Not inside: the engines (parts of kind
`ocr_engines`) and the mapping of regions to patches (`data`).
"""
