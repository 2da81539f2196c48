{#- States of a delivery with their own columns, in chronological order. -#}
{%- macro delivery_states() -%}
  {{ return([
      'attempted', 'sent', 'delivered', 'opened', 'human_opened', 'prefetch_opened', 'clicked',
      'human_clicked', 'prefetch_clicked', 'converted', 'replied', 'unsubscribed', 'spammed',
      'bounced', 'dropped', 'failed', 'undeliverable', 'drafted',
  ]) }}
{%- endmacro %}

{#- Counts of senders: name of the count -> column of customerio__deliveries. -#}
{%- macro counted_states() -%}
  {{ return({
      'sent': 'sent_at', 'delivered': 'delivered_at', 'opened': 'first_open_at',
      'clicked': 'first_click_at', 'machine_opened': 'prefetch_opened_at',
      'machine_clicked': 'prefetch_clicked_at', 'converted': 'converted_at',
      'replied': 'replied_at', 'unsubscribed': 'unsubscribed_at', 'spammed': 'spammed_at',
      'bounced': 'bounced_at', 'dropped': 'dropped_at', 'failed': 'failed_at',
      'undeliverable': 'undeliverable_at',
  }) }}
{%- endmacro %}

{#- Counts with a rate of sent deliveries. -#}
{%- macro rated_states() -%}
  {{ return({
      'delivered': 'delivery', 'opened': 'open', 'clicked': 'click', 'converted': 'conversion',
      'unsubscribed': 'unsubscribe', 'spammed': 'spam', 'bounced': 'bounce',
  }) }}
{%- endmacro %}

{#- A share between 0 and 1; null if the whole is 0. -#}
{%- macro rate(part, whole) -%}1.0 * {{ part }} / nullif({{ whole }}, 0){%- endmacro %}

{#- A hash that changes with any of these columns. -#}
{%- macro row_hash(columns) -%}
  {%- set parts = [] -%}
  {%- for column in columns -%}
    {%- if not loop.first %}{% do parts.append("'|'") %}{% endif -%}
    {%- do parts.append("coalesce(cast(" ~ column ~ " as " ~ dbt.type_string() ~ "), '')") -%}
  {%- endfor -%}
  {{ dbt.hash(dbt.concat(parts)) }}
{%- endmacro %}

{#- In an incremental model, remove rows of deliveries that are no longer in the raw table.

With a hash, also remove rows of deliveries that changed and no longer have events. -#}
{%- macro delete_vanished(hash=none) -%}
  {%- set messages = ref('int_customerio__messages') -%}
  {%- if is_incremental() -%}
delete from {{ this }}
where not exists (
    select 1
    from {{ messages }} as loaded
    where loaded.workspace = {{ this.identifier }}.workspace
        and loaded.id = {{ this.identifier }}.delivery_id
        {%- if hash %}
        and loaded.{{ hash }} = {{ this.identifier }}.{{ hash }}
        {%- endif %}
)
  {%- endif -%}
{%- endmacro %}

{#- The incremental strategy: BigQuery does not support delete+insert. -#}
{%- macro replacing() -%}
  {{ return('merge' if target.type == 'bigquery' else 'delete+insert') }}
{%- endmacro %}

{#- Sums in both customerio__senders and customerio__sender_daily. -#}
{%- macro sender_sums() -%}
    {%- for name, column in customerio.counted_states().items() %}
    count({{ column }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The rates of these sums. -#}
{%- macro sender_rates() -%}
    {%- for name, rate in customerio.rated_states().items() %}
    {{ customerio.rate(name, 'sent') }} as {{ rate }}_rate{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
