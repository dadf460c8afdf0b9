// The models of docs/QUANTIZATION-TABLE.md, and how many samples of their evaluation data judge a variant.
export const subjects = [
  { id: 'lm-target', samples: 100, kind: 'language' },
  { id: 'lm-gpt2', samples: 100, kind: 'language' },
  { id: 'lm-outlier', samples: 100, kind: 'language' },
  { id: 'tagger', samples: 400, kind: 'language' },
  { id: 'fashion-vit', samples: 2000, kind: 'image' },
  { id: 'fashion-mobile', samples: 2000, kind: 'convolution' },
  { id: 'ocr-rec', samples: 320, kind: 'convolution' },
];

export const findSubject = (id) => {
  const found = subjects.find((subject) => subject.id === id);
  if (!found) throw new Error(`There is no subject "${id}". There are: ${subjects.map((one) => one.id).join(', ')}.`);
  return found;
};
