"""The works that the first-party theorems come from."""

from boundcheck import Reference

BARTLETT_2017 = Reference(
    key="bartlett2017",
    authors="P. L. Bartlett, D. J. Foster and M. Telgarsky",
    year=2017,
    title="Spectrally-normalized margin bounds for neural networks",
    venue="NIPS 30",
    identifier="arXiv:1706.08498",
)

BLUMER_1987 = Reference(
    key="blumer1987",
    authors="A. Blumer, A. Ehrenfeucht, D. Haussler and M. K. Warmuth",
    year=1987,
    title="Occam's razor",
    venue="Information Processing Letters 24(6):377-380",
)

CLOPPER_1934 = Reference(
    key="clopper1934",
    authors="C. J. Clopper and E. S. Pearson",
    year=1934,
    title="The use of confidence or fiducial limits illustrated in the case of the binomial",
    venue="Biometrika 26(4):404-413",
)

CORTES_2019 = Reference(
    key="cortes2019",
    authors="C. Cortes, S. Greenberg and M. Mohri",
    year=2019,
    title="Relative deviation learning bounds and generalization with unbounded loss functions",
    venue="Annals of Mathematics and Artificial Intelligence 85:45-70",
)

GOLOWICH_2018 = Reference(
    key="golowich2018",
    authors="N. Golowich, A. Rakhlin and O. Shamir",
    year=2018,
    title="Size-independent sample complexity of neural networks",
    venue="COLT 2018",
    identifier="arXiv:1712.06541",
)

LANGFORD_2005 = Reference(
    key="langford2005",
    authors="J. Langford",
    year=2005,
    title="Tutorial on practical prediction theory for classification",
    venue="Journal of Machine Learning Research 6:273-306",
)

LEBOEUF_2021 = Reference(
    key="leboeuf2021",
    authors="J.-S. Leboeuf, F. LeBlanc and M. Marchand",
    year=2021,
    title="Improving generalization bounds for VC classes using the hypergeometric tail inversion",
    venue="preprint",
    identifier="arXiv:2111.00062",
)

MOHRI_2018 = Reference(
    key="mohri2018",
    authors="M. Mohri, A. Rostamizadeh and A. Talwalkar",
    year=2018,
    title="Foundations of Machine Learning",
    venue="2nd edition, MIT Press",
)
