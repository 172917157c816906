"""From a sample to a batch: text to ids and labels, image to pixels, regions to patch weights.

Inside: tokens, markers, encoding, collating, order, pixels, geometry. Not inside: where samples come from (the parts
of kind `datasets`) and recognising text (`ocr`).
"""
