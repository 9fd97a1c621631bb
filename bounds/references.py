"""The works that the first-party theorems come from."""

from boundcheck import Reference

BARTLETT_2002 = Reference(
    key="bartlett2002",
    authors="P. L. Bartlett and S. Mendelson",
    year=2002,
    title="Rademacher and Gaussian complexities: risk bounds and structural results",
    venue="Journal of Machine Learning Research 3:463-482",
)

BARTLETT_2002_SELECTION = Reference(
    key="bartlett2002selection",
    authors="P. L. Bartlett, S. Boucheron and G. Lugosi",
    year=2002,
    title="Model selection and error estimation",
    venue="Machine Learning 48:85-113",
)

BARTLETT_2017 = Reference(
    key="bartlett2017",
    authors="P. L. Bartlett, D. J. Foster and M. Telgarsky",
    year=2017,
    title="Spectrally-normalized margin bounds for neural networks",
    venue="NIPS 30",
    identifier="arXiv:1706.08498",
    kind="inproceedings",
)

BARTLETT_2020 = Reference(
    key="bartlett2020",
    authors="P. L. Bartlett, P. M. Long, G. Lugosi and A. Tsigler",
    year=2020,
    title="Benign overfitting in linear regression",
    venue="Proceedings of the National Academy of Sciences 117(48):30063-30070",
    identifier="arXiv:1906.11300",
)

BELKIN_2018 = Reference(
    key="belkin2018",
    authors="M. Belkin, S. Ma and S. Mandal",
    year=2018,
    title="To understand deep learning we need to understand kernel learning",
    venue="ICML 35",
    identifier="arXiv:1802.01396",
    kind="inproceedings",
)

BLUMER_1987 = Reference(
    key="blumer1987",
    authors="A. Blumer, A. Ehrenfeucht, D. Haussler and M. K. Warmuth",
    year=1987,
    title="Occam's razor",
    venue="Information Processing Letters 24(6):377-380",
)

BLUMER_1989 = Reference(
    key="blumer1989",
    authors="A. Blumer, A. Ehrenfeucht, D. Haussler and M. K. Warmuth",
    year=1989,
    title="Learnability and the Vapnik-Chervonenkis dimension",
    venue="Journal of the ACM 36(4):929-965",
)

BOUSQUET_2002 = Reference(
    key="bousquet2002",
    authors="O. Bousquet and A. Elisseeff",
    year=2002,
    title="Stability and generalization",
    venue="Journal of Machine Learning Research 2:499-526",
)

BOUSQUET_2020 = Reference(
    key="bousquet2020",
    authors="O. Bousquet, Y. Klochkov and N. Zhivotovskiy",
    year=2020,
    title="Sharper bounds for uniformly stable algorithms",
    venue="COLT 33",
    identifier="arXiv:1910.07833",
    kind="inproceedings",
)

CESABIANCHI_2004 = Reference(
    key="cesabianchi2004",
    authors="N. Cesa-Bianchi, A. Conconi and C. Gentile",
    year=2004,
    title="On the generalization ability of on-line learning algorithms",
    venue="IEEE Transactions on Information Theory 50(9):2050-2057",
)

CHERNOFF_1952 = Reference(
    key="chernoff1952",
    authors="H. Chernoff",
    year=1952,
    title="A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations",
    venue="Annals of Mathematical Statistics 23(4):493-507",
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

DEVROYE_1996 = Reference(
    key="devroye1996",
    authors="L. Devroye, L. Györfi and G. Lugosi",
    year=1996,
    title="A Probabilistic Theory of Pattern Recognition",
    venue="Springer",
    kind="book",
)

FELDMAN_2018 = Reference(
    key="feldman2018",
    authors="V. Feldman and J. Vondrak",
    year=2018,
    title="Generalization bounds for uniformly stable algorithms",
    venue="NeurIPS 31",
    identifier="arXiv:1812.09859",
    kind="inproceedings",
)

GALANTI_2023 = Reference(
    key="galanti2023",
    authors="T. Galanti, M. Xu, L. Galanti and T. Poggio",
    year=2023,
    title="Norm-based generalization bounds for sparse neural networks",
    venue="NeurIPS 36",
    identifier="arXiv:2301.12033",
    kind="inproceedings",
)

GOLOWICH_2018 = Reference(
    key="golowich2018",
    authors="N. Golowich, A. Rakhlin and O. Shamir",
    year=2018,
    title="Size-independent sample complexity of neural networks",
    venue="COLT 2018",
    identifier="arXiv:1712.06541",
    kind="inproceedings",
)

GONON_2024 = Reference(
    key="gonon2024",
    authors="A. Gonon, N. Brisebarre, E. Riccietti and R. Gribonval",
    year=2024,
    title="A path-norm toolkit for modern networks: consequences, promises and challenges",
    venue="ICLR 2024",
    identifier="arXiv:2310.01225",
    kind="inproceedings",
)

GRAF_2022 = Reference(
    key="graf2022",
    authors="F. Graf, S. Zeng, B. Rieck, M. Niethammer and R. Kwitt",
    year=2022,
    title="Measuring excess capacity in neural networks",
    venue="NeurIPS 35",
    identifier="arXiv:2202.08070",
    kind="inproceedings",
)

HARDT_2016 = Reference(
    key="hardt2016",
    authors="M. Hardt, B. Recht and Y. Singer",
    year=2016,
    title="Train faster, generalize better: stability of stochastic gradient descent",
    venue="ICML 33",
    identifier="arXiv:1509.01240",
    kind="inproceedings",
)

HAUSSLER_1995 = Reference(
    key="haussler1995",
    authors="D. Haussler and P. M. Long",
    year=1995,
    title="A generalization of Sauer's lemma",
    venue="Journal of Combinatorial Theory, Series A 71(2):219-240",
)

HOEFFDING_1963 = Reference(
    key="hoeffding1963",
    authors="W. Hoeffding",
    year=1963,
    title="Probability inequalities for sums of bounded random variables",
    venue="Journal of the American Statistical Association 58(301):13-30",
)

JIANG_2020 = Reference(
    key="jiang2020",
    authors="Y. Jiang, B. Neyshabur, H. Mobahi, D. Krishnan and S. Bengio",
    year=2020,
    title="Fantastic generalization measures and where to find them",
    venue="ICLR 2020",
    identifier="arXiv:1912.02178",
    kind="inproceedings",
)

KOLTCHINSKII_2002 = Reference(
    key="koltchinskii2002",
    authors="V. Koltchinskii and D. Panchenko",
    year=2002,
    title="Empirical margin distributions and bounding the generalization error of combined classifiers",
    venue="Annals of Statistics 30(1):1-50",
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

LIANG_2023 = Reference(
    key="liang2023",
    authors="T. Liang and B. Recht",
    year=2023,
    title="Interpolating classifiers make few mistakes",
    venue="Journal of Machine Learning Research 24",
    identifier="arXiv:2101.11815",
    kind="article",
)

LIN_2019 = Reference(
    key="lin2019",
    authors="S. Lin and J. Zhang",
    year=2019,
    title="Generalization bounds for convolutional neural networks",
    venue="preprint",
    identifier="arXiv:1910.01487",
)

LONG_2020 = Reference(
    key="long2020",
    authors="P. M. Long and H. Sedghi",
    year=2020,
    title="Generalization bounds for deep convolutional neural networks",
    venue="ICLR 2020",
    identifier="arXiv:1905.12600",
    kind="inproceedings",
)

MASSART_2000 = Reference(
    key="massart2000",
    authors="P. Massart",
    year=2000,
    title="Some applications of concentration inequalities to statistics",
    venue="Annales de la Faculté des Sciences de Toulouse 9(2):245-303",
)

MAURER_2016 = Reference(
    key="maurer2016",
    authors="A. Maurer",
    year=2016,
    title="A vector-contraction inequality for Rademacher complexities",
    venue="ALT 27",
    identifier="arXiv:1605.00251",
    kind="inproceedings",
)

MOHRI_2018 = Reference(
    key="mohri2018",
    authors="M. Mohri, A. Rostamizadeh and A. Talwalkar",
    year=2018,
    title="Foundations of Machine Learning",
    venue="2nd edition, MIT Press",
    kind="book",
)

NEYSHABUR_2015 = Reference(
    key="neyshabur2015",
    authors="B. Neyshabur, R. Tomioka and N. Srebro",
    year=2015,
    title="Norm-based capacity control in neural networks",
    venue="COLT 2015",
    identifier="arXiv:1503.00036",
    kind="inproceedings",
)

NEYSHABUR_2018 = Reference(
    key="neyshabur2018",
    authors="B. Neyshabur, S. Bhojanapalli and N. Srebro",
    year=2018,
    title="A PAC-Bayesian approach to spectrally-normalized margin bounds for neural networks",
    venue="ICLR 2018",
    identifier="arXiv:1707.09564",
    kind="inproceedings",
)

VAPNIK_1998 = Reference(
    key="vapnik1998",
    authors="V. N. Vapnik",
    year=1998,
    title="Statistical Learning Theory",
    venue="Wiley",
    kind="book",
)

ZHANG_2017 = Reference(
    key="zhang2017",
    authors="C. Zhang, S. Bengio, M. Hardt, B. Recht and O. Vinyals",
    year=2017,
    title="Understanding deep learning requires rethinking generalization",
    venue="ICLR 2017",
    identifier="arXiv:1611.03530",
)
