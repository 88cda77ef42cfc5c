"""What an analysis shows, topic by topic: words, figures and tables of each, in the order of the report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd

from designspace.analysis.compare import neighbours
from designspace.analysis.normalized import lead
from designspace.analysis.statistics import BETTER, WORSE
from designspace.analysis.study import StudyAnalysis
from designspace.report.compare_figure import comparison_figure, difference_figure
from designspace.report.cost_figure import cost_figure
from designspace.report.edf_figure import edf_figure
from designspace.report.files import file_name
from designspace.report.final_figure import final_curves_figure, final_figure
from designspace.report.importance_figure import importance_figure, pairs_figure
from designspace.report.labels import COST_NAMES
from designspace.report.noise_figure import noise_figure
from designspace.report.normalized_figure import normalized_edf_figure
from designspace.report.parameter_figures import fit_figure, mean_fit_figure, parameter_figure
from designspace.report.random_search_figure import random_search_figure
from designspace.report.ranking_figure import ranking_figure
from designspace.report.references_figure import references_figure
from designspace.report.sample_size_figure import sample_size_figure
from designspace.report.tables.compare import comparison_table
from designspace.report.tables.costs import cost_table, lead_table
from designspace.report.tables.final import final_networks_table
from designspace.report.tables.importance import importance_table
from designspace.report.tables.noise import corrected_table, noise_table
from designspace.report.tables.normalized import normalized_edf_table, normalized_table
from designspace.report.tables.random_search import random_search_table
from designspace.report.tables.ranking import ranking_table
from designspace.report.tables.references import reference_table, unbuilt_table
from designspace.report.tables.sample_size import sample_size_table, separation_table
from designspace.report.tables.study import edf_table, fit_table, parameter_table, summary_table
from designspace.report.tables.width_fit import mean_fit_table
from designspace.report.text.chance import chance_sentences
from designspace.report.text.compare import comparison_sentence
from designspace.report.text.costs import cost_notes, cost_statements
from designspace.report.text.final import final_statements
from designspace.report.text.noise import noise_notes, noise_statements
from designspace.report.text.numbers import estimate_words
from designspace.report.text.powered import powered_statements
from designspace.report.text.ranking import faithfulness, ranking_notes, ranking_statements
from designspace.report.text.references import reference_statements
from designspace.report.text.summary import best_model, by_mean, headline
from designspace.report.topic import Draw, Topic
from designspace.report.width_figure import good_and_bad_figure, width_figure

NO_PAIR = "There is no figure: fewer than two spaces have finished models."
NO_RANKING = "There is no figure: no earlier error, and none of a longer training, to compare the last with."
NO_REPEATS = "There is no figure: no model was trained again with another seed."


def summary(study: StudyAnalysis) -> list[str]:
    """What was found, a paragraph each: first that nothing was learnt, if so; then the headline, how far
    brief training can be trusted, every step from one space to the next, shown ones first, and where the
    best published network stands."""
    steps = neighbours(study.comparisons, [space.name for space in study.spaces])
    shown_first = sorted(steps, key=lambda step: step.verdict not in (BETTER, WORSE))
    found = [comparison_sentence(step) for step in shown_first]
    references = reference_statements(study.references)[:1]  # that of the lowest error
    opening = [*chance_sentences(study.chance), *headline(study), *powered_statements(study)]
    best = best_model(study)
    trust = [faithfulness(study.ranking)] if best else []  # nothing is said of what is not trained
    return [*opening, *best, *trust, *found, *leads(study)[:1], *references]


def leads(study: StudyAnalysis) -> list[str]:
    """How far the space of the lowest mean error is ahead of each other, next first, at equal complexity."""
    ordered = by_mean(study)
    comparable = [comparison for comparison in study.normalized if not comparison.reason]
    return [
        f"Mean error of {other.name} minus that of {ordered[0].name}, in points: "
        + ", ".join(
            estimate_words(lead(comparison, ordered[0].name, other.name))
            + f" at equal {COST_NAMES[comparison.by]}"
            for comparison in comparable
        )
        + "."
        for other in ordered[1:]
        if comparable
    ]


def cautions(study: StudyAnalysis) -> list[str]:
    """What a reader must know before quoting an error."""
    return list(noise_statements(study.noise)) or [
        "No model was trained with more than one seed. Part of every error is the luck of its training, and "
        "the best model of a population looks better than it is: compare spaces, not single networks."
    ]


def topics(study: StudyAnalysis) -> tuple[Topic, ...]:
    """All topics of a study."""
    parts = (
        *(_errors, _comparisons, _normalised, _enough, _search, _parameters, _widths),
        *(_complexity, _ranking, _noise, *([_references] if study.references else [])),
        *([_final] if study.finals else []),
    )
    return tuple(part(study) for part in parts)


def _errors(study: StudyAnalysis) -> Topic:
    return Topic(
        "errors",
        "Error distributions",
        "F(e) is the share of a space's models with an error below e: a curve further to the left is a "
        "better space. Errors are top-1 percent on the validation split after the last epoch. The band "
        "holds the whole curve of the space with 95 % confidence (Dvoretzky, Kiefer and Wolfowitz). Models "
        "that diverged or failed count, and never reach an error.",
        {"edf": lambda: edf_figure(study)},
        {"summary.csv": summary_table(study), "edf.csv": edf_table(study)},
        chart="edf",
    )


def _topic(
    id: str,
    title: str,
    text: str,
    figures: Mapping[str, Draw],
    tables: Mapping[str, pd.DataFrame],
    *,
    why_empty: str | None,
) -> Topic:
    """One that has figures unless something says `why_empty`: that no figure would show anything."""
    if why_empty is None:
        return Topic(id, title, text, figures, tables)
    return Topic(id, title, text, {}, tables, empty=dict.fromkeys(figures, why_empty))


def _comparisons(study: StudyAnalysis) -> Topic:
    names = [space.name for space in study.spaces]
    steps = neighbours(study.comparisons, names)
    return _topic(
        "comparisons",
        "Is one space better than another?",
        "Every pair of spaces, within the complexity window of the study (at equal flops, where that is its "
        "budget): the difference of the mean errors, whose test, corrected for the number of pairs, gives "
        "the verdict, and the probability that a random model of the one has a lower error than one of the "
        "other, which describes. Where means are powered, errors predicted for untrained networks add to "
        "those of the trained ones, and the plain interval stands beside. Below, the difference of whole "
        "distributions for neighbouring spaces. All intervals cover the choice of the models; what the seed "
        "of a training adds is part of each model's error.",
        {
            "comparison": lambda: comparison_figure(study.comparisons, names),
            "edf_difference": lambda: difference_figure(steps, study.window),
        },
        {"comparison.csv": comparison_table(study.comparisons)},
        why_empty=None if len(by_mean(study)) > 1 else NO_PAIR,
    )


def _normalised(study: StudyAnalysis) -> Topic:
    reasons = dict.fromkeys(comparison.reason for comparison in study.normalized)
    why_empty = None if "" in reasons else f"There is no figure: {'; '.join(map(str, reasons))}."
    return _topic(
        "normalised",
        "At equal complexity",
        _paragraphs(
            "Spaces differ in the parameters and activations of their models even at equal flops. Here the "
            "models are weighted so that a measure of complexity is spread alike in all spaces, over the "
            "range that they share. The intervals are not corrected for the number of comparisons.",
            *leads(study),
        ),
        {"normalized": lambda: normalized_edf_figure(study.normalized, study.window)},
        {
            "normalized.csv": normalized_table(study.normalized),
            "normalized_edf.csv": normalized_edf_table(study.normalized),
        },
        why_empty=NO_PAIR if len(by_mean(study)) < 2 else why_empty,
    )


def _enough(study: StudyAnalysis) -> Topic:
    curves = [space.subsamples for space in study.spaces]
    return Topic(
        "enough",
        "How many models are enough",
        "How far the distribution of m models is from that of all that were trained, how wide the "
        "intervals of mean and median are with m models, and how many models of each of two spaces a "
        "Mann-Whitney test at 5 % would need to tell them apart with a power of 80 %.",
        {"sample_size": lambda: sample_size_figure(curves, study.separations)},
        {"sample_size.csv": sample_size_table(curves), "separation.csv": separation_table(study.separations)},
    )


def _search(study: StudyAnalysis) -> Topic:
    searches = [space.search for space in study.spaces]
    return Topic(
        "search",
        "Random search",
        "The least error to be expected from m models drawn at random from a space, each trained once: "
        "what a search with this budget would find. A model without an error counts with 100 %.",
        {"random_search": lambda: random_search_figure(searches)},
        {"random_search.csv": random_search_table(searches)},
    )


def _widths(study: StudyAnalysis) -> Topic:
    return Topic(
        "widths",
        "Quantized linear widths",
        "The widths of good networks grow about linearly with the block. e_fit says how far a network's "
        "widths are from the closest quantized linear rule w_j = w0 wm^[s_j]: 0 for a RegNet.",
        {
            "good_and_bad": lambda: good_and_bad_figure([space.extremes for space in study.spaces]),
            "widths": lambda: width_figure(study),
            "fit": lambda: fit_figure(study),
            "mean_e_fit": lambda: mean_fit_figure([space.mean_fit for space in study.spaces]),
        },
        {
            "fits.csv": fit_table(study),
            "mean_e_fit.csv": mean_fit_table([space.mean_fit for space in study.spaces]),
        },
    )


def _complexity(study: StudyAnalysis) -> Topic:
    return Topic(
        "complexity",
        "Complexity and time",
        _paragraphs(
            "Flops, parameters and activations against each other and against the time that training and "
            "validation took. Models were timed as they were trained, beside others: ranks are safer than "
            "seconds.",
            *cost_statements(study.costs),
            *cost_notes(study.costs),
        ),
        {"costs": lambda: cost_figure(study.costs)},
        {"costs.csv": cost_table(study.costs), "costs_lead.csv": lead_table(study.costs)},
        chart="costs",
    )


def _ranking(study: StudyAnalysis) -> Topic:
    return _topic(
        "ranking",
        "Does brief training rank well?",
        _paragraphs(
            "Rank correlation of the error after each epoch with the error after the last, and with that of "
            "a longer training where there is one (`extended_epochs`).",
            *ranking_statements(study.ranking),
            *ranking_notes(study.ranking),
        ),
        {"ranking": lambda: ranking_figure(study.ranking)},
        {"ranking.csv": ranking_table(study.ranking)},
        why_empty=None if study.ranking.pooled or study.ranking.extended else NO_RANKING,
    )


def _noise(study: StudyAnalysis) -> Topic:
    names = [space.name for space in study.spaces]
    return _topic(
        "noise",
        "How much is luck?",
        _paragraphs(
            "Some models may be trained again with other seeds (`repeats`). What the seed moves is noise: it "
            "widens every error distribution, and makes the best model of one run look better than it is. "
            "The interval for what is to be expected of a best model held the truth in 92.7 % of "
            "simulations, not quite in the 95 % that it is meant for.",
            *noise_statements(study.noise),
            *noise_notes(study.noise),
        ),
        {"noise": lambda: noise_figure(study.noise, names)},
        {"noise.csv": noise_table(study.noise), "corrected.csv": corrected_table(study.noise)},
        why_empty=None if study.noise.spaces else NO_REPEATS,
    )


def _references(study: StudyAnalysis) -> Topic:
    return Topic(
        "references",
        "Published networks",
        _paragraphs(
            "Published networks that were trained as the models were, with one seed each. They are points "
            "beside the distributions and part of none. A network is better than a model of higher error, or "
            "without one; it may have cost more, which its flops tell. `published.csv` holds what the paper "
            "prints of networks that are not built here, for ImageNet: nothing of it was trained.",
            *reference_statements(study.references),
        ),
        {"references": lambda: references_figure(study)},
        {"references.csv": reference_table(study.references), "published.csv": unbuilt_table()},
    )


def _final(study: StudyAnalysis) -> Topic:
    return Topic(
        "final",
        "Trained properly",
        _paragraphs(
            "Chosen networks, and published ones beside them, trained longer by one recipe, several times "
            "each, and tested once. Bars are the standard deviation over the seeds, the intervals in the "
            "table those of the test images alone. Networks whose intervals overlap are not told apart.",
            *final_statements(study.finals),
        ),
        {
            "final": lambda: final_figure(study.finals),
            "final_curves": lambda: final_curves_figure(study.finals),
        },
        {"final_networks.csv": final_networks_table(study.finals)},
    )


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(texts)


def _parameters(study: StudyAnalysis) -> Topic:
    shown = {space.name: space.importance.most_important() for space in study.spaces}
    found = [space.importance for space in study.spaces]
    figures: dict[str, Draw] = {"importance": lambda: importance_figure(found)}
    for index, space in enumerate(study.spaces):
        name = file_name(space.name)
        name = f"{name}_{index}" if f"parameters_{name}" in figures else name
        figures[f"parameters_{name}"] = partial(parameter_figure, space, index)
        if len(shown[space.name]) > 1:
            figures[f"pairs_{name}"] = partial(pairs_figure, space, shown[space.name])
    return Topic(
        "parameters",
        "Which parameters matter",
        "Importance is the share of the variance of the errors' ranks that lies between groups of models "
        "with similar values of a parameter, corrected for chance: association, not effect, because within "
        "a budget a deep network must be narrow. The ranges are those of the paper's bootstrap: the "
        "parameters of the best of a random quarter of the models, 2.5 to 97.5 percentile.",
        figures,
        {"parameters.csv": parameter_table(study), "importance.csv": importance_table(found)},
        chart="parameters",
    )
